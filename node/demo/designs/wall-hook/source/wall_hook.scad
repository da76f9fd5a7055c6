// A wall hook for two countersunk screws. Millimetres.
// SPDX-License-Identifier: CERN-OHL-P-2.0
//
// It is drawn as it is printed: lying on its side, z up, the wall along the y axis.
// The layers follow the load around the bend, and nothing needs support.

height = 60;        // along the wall
width = 25;         // of the band, and the height of the print
thickness = 6;      // of the band
tip_thickness = 5;  // at the end of the lip
reach = 39;         // of the bend, away from the wall; the lip leans out 1 more
lip_degrees = 162;  // how far the bend goes round; 180 would be straight up
lip_length = 10;    // beyond the bend
chamfer = 1.2;      // along all long edges

screw = 4.5;        // clearance for a 4 mm countersunk screw
screw_head = 9;
screw_heights = [36, 52];

bend = (reach - thickness) / 2;   // radius of the band's middle line
middle = [reach / 2, reach / 2];  // centre of the bend
bend_steps = 36;
end_steps = 6;
end_degrees = 65;                 // of the rounding at both ends; 90 would be pointed

// The middle line as points [x, y, direction in degrees, half thickness]:
// the top of the back, straight down, around the bend, and up the lip.
rounding = [for (i = [0 : end_steps]) end_degrees * i / end_steps];

top = [for (i = [end_steps : -1 : 0])
    let (a = rounding[i], half = thickness / 2)
    [half, height - half * (sin(end_degrees) - sin(a)), -90, half * cos(a)]];

around = [for (i = [0 : bend_steps])
    let (a = 180 + lip_degrees * i / bend_steps)
    [middle[0] + bend * cos(a), middle[1] + bend * sin(a), a + 90, thickness / 2]];

lip = [for (a = rounding)
    let (from = around[bend_steps], half = tip_thickness / 2,
         way = lip_length - half * (sin(end_degrees) - sin(a)))
    [from[0] + way * cos(from[2]), from[1] + way * sin(from[2]), from[2], half * cos(a)]];

path = concat(top, around, lip);

// The band's cross-section at a point of the path: a rectangle with cut corners.
function section(p) =
    let (across = [-sin(p[2]), cos(p[2])], h = p[3], c = min(chamfer, h - 0.5))
    [for (q = [[-h, c], [-h, width - c], [-h + c, width], [h - c, width],
               [h, width - c], [h, c], [h - c, 0], [-h + c, 0]])
        [p[0] + across[0] * q[0], p[1] + across[1] * q[0], q[1]]];

module band() {
    points = [for (p = path) each section(p)];
    count = len(path);
    sides = [for (i = [0 : count - 2], k = [0 : 7])
        [8 * i + k, 8 * i + (k + 1) % 8, 8 * (i + 1) + (k + 1) % 8, 8 * (i + 1) + k]];
    first = [for (k = [7 : -1 : 0]) k];
    last = [for (k = [0 : 7]) 8 * (count - 1) + k];
    polyhedron(points, concat(sides, [first, last]), convexity = 6);
}

module screw_hole(y) {
    head_depth = (screw_head - screw) / 2;  // a head of 90 degrees
    translate([0, y, width / 2]) rotate([0, 90, 0]) {
        translate([0, 0, -1]) cylinder(d = screw, h = thickness + 2, $fn = 48);
        translate([0, 0, thickness - head_depth])
            cylinder(d1 = screw, d2 = screw_head, h = head_depth, $fn = 48);
        translate([0, 0, thickness]) cylinder(d = screw_head, h = 1, $fn = 48);
    }
}

difference() {
    band();
    for (y = screw_heights) screw_hole(y);
}
