"""The running node. The only floor that opens sockets, reads clocks and starts tasks."""
