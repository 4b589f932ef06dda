"""The report as a live page of this machine: all sweeps of a folder, read-only.

``watching``  what has changed on disk, and what is still right of what was made of it
``pages``     the list of sweeps, one sweep, one run
``access``    who may read: the token, the host name
``app``       the addresses
"""
