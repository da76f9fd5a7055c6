// SPDX-License-Identifier: CERN-OHL-S-2.0
// A temple, for either side. Printed lying on its side, without supports.
include <spectacles.scad>

height = 6;
thick = 2 * knuckle - 3;
drop = 32;            // how long the end behind the ear is
bend = 28;            // degrees

assert(temple_length > drop + 60, "the temple is too short to reach the ear");

difference() {
    union() {
        linear_extrude(thick) {
            translate([knuckle + 1, -height / 2]) square([temple_length - drop - knuckle - 1, height]);
            hull() {
                translate([temple_length - drop, 0]) circle(d = height);
                translate([temple_length - drop, 0]) rotate(-bend) translate([drop - height / 2, 0]) circle(d = height);
            }
        }
        hull() {
            translate([0, 0, thick / 2]) rotate([90, 0, 0]) translate([0, 0, -tongue / 2]) cylinder(d = thick, h = tongue);
            translate([knuckle + 1, -tongue / 2, 0]) cube([1, tongue, thick]);
        }
    }
    translate([0, 0, thick / 2]) pin_hole(height + 2);
}
