// SPDX-License-Identifier: CERN-OHL-S-2.0
// A hinge's pin. Printed standing on its head; pressed in from below, it holds by its length.
include <spectacles.scad>

cylinder(d = pin + 1.6, h = 1.2);
cylinder(d = pin, h = 1.2 + fork);
