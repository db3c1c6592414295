"""Gives a process half of the time until the file STOP exists: slowed.py STOP PID."""
import os
import signal
import sys
import time

stop, pid = sys.argv[1], int(sys.argv[2])
os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # who floods must not make it stop the process for longer
try:
    while not os.path.exists(stop):
        os.kill(pid, signal.SIGSTOP)
        time.sleep(0.05)
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)
finally:
    os.kill(pid, signal.SIGCONT)
