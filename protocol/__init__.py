"""What nodes say to each other, as values and pure state machines.

Nothing here opens a socket or a file, reads a clock or rolls dice: time, keys and
random bytes come in as arguments. Read `lease/owner.py` and `lease/buyer.py` first;
`records.py` has the values that they exchange, `envelope.py` how those are signed,
`admission.py` what is believed.
"""
