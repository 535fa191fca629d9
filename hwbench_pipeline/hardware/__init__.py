"""What this machine has: its platforms, its environment, its momentary condition and its measured peaks.

Every module asks the machine itself; nothing here is assumed, and nothing is asked while importing. Does not belong
here: running models (`bench/`), or deciding what a difference between two machines means (`analysis/`).
"""
