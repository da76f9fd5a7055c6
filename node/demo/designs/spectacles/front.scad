// SPDX-License-Identifier: CERN-OHL-S-2.0
// The front. Printed on its face, without supports; lenses are pressed in from behind.
include <spectacles.scad>

assert(pd - lens_width >= bridge, "the lenses leave the nose less room than the bridge asks for");

pocket = front_depth - snap - lens_edge;

// A fork for the temple's tongue, closed outside, so that the temple opens no further.
module hinge() {
    translate([outside + knuckle, hinge_y, 0]) {
        for (y = [plate - fork / 2, fork / 2])
            translate([0, y, 0]) rotate([90, 0, 0]) linear_extrude(plate) difference() {
                translate([-knuckle, front_depth - 1]) square([2 * knuckle, hinge_up + knuckle - front_depth + 1]);
                translate([0, hinge_up]) circle(d = pin + play);
            }
        translate([knuckle - 1.4, -fork / 2, front_depth - 1]) cube([1.4, fork, hinge_up + knuckle - front_depth + 1]);
    }
}

union() {
    layer(0, pocket, -lip);
    layer(pocket, pocket + lens_edge, 0);
    layer(pocket + lens_edge, front_depth, -snap);
    for (side = [0, 1]) mirror([side, 0, 0]) hinge();
}
