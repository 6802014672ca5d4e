"""Python loads this by itself: it refuses connections off this machine, and writes them to the file GUARD_LOG."""

import os
import sys

LOOPBACK = ("127.0.0.1", "::1", "localhost")


def watch(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    if host not in LOOPBACK:
        with open(os.environ["GUARD_LOG"], "a") as log:
            print(host, file=log)
        raise ConnectionRefusedError(f"the guard refuses {host}")


sys.addaudithook(watch)
