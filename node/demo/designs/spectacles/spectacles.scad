// SPDX-License-Identifier: CERN-OHL-S-2.0
// Spectacles made to measure: all numbers and shapes. Millimetres. Each part has a file of its own.

pd = 64;              // between the pupils, and so between the middles of the lenses
lens_width = 46;      // of the lens as it is cut
lens_height = 38;
lens_edge = 2;        // thickness of the lens at its edge
bridge = 17;          // room for the nose
temple_length = 140;  // from the hinge to the tip, along the temple

rim = 3.2;
front_depth = 4.6;
lip = 0.8;            // what holds the lens in front
snap = 0.3;           // what holds it behind: it is pressed in from there
corner = 11;          // radius of the lens's corners
play = 0.2;           // between parts that move

plate = 2.4;          // each side of a hinge's fork
tongue = 3;           // of the temple, between them
knuckle = 3.6;        // radius around the pin
pin = 2;              // diameter
hinge_up = front_depth + knuckle + 0.5;
$fn = 40;

fork = 2 * plate + tongue + 2 * play;
outside = pd / 2 + lens_width / 2 + rim;
hinge_y = lens_height / 2 - fork / 2 - 4;

module lens(grow = 0) {
    offset(delta = grow)
        hull() for (x = [-1, 1], y = [-1, 1])
            translate([x * (lens_width / 2 - corner), y * (lens_height / 2 - corner)]) circle(corner);
}

module both() { for (side = [-1, 1]) translate([side * pd / 2, 0]) children(); }

module outline() {
    both() offset(rim) lens();
    difference() {
        translate([lens_width / 2 - pd / 2 - 2, 2]) square([pd - lens_width + 4, 8]);
        translate([0, 2]) scale([1, 0.6]) circle(d = pd - lens_width - 2 * rim);
    }
    for (side = [0, 1]) mirror([side, 0])
        translate([outside - 4, hinge_y - fork / 2]) square([4 + 2 * knuckle, fork]);
}

module layer(from, to, grow) {
    translate([0, 0, from]) linear_extrude(to - from) difference() {
        outline();
        both() lens(grow);
    }
}

module pin_hole(length) { rotate([-90, 0, 0]) translate([0, 0, -length / 2]) cylinder(d = pin + play, h = length); }
