"""simlab as a terminal starts it: a shell's background job, and so perhaps the tests, would ignore Ctrl-C."""

import signal

from simlab._door.entry import main

signal.signal(signal.SIGINT, signal.default_int_handler)
main()
