"""The exercises, one file a lab: lab_01.py holds those of lab 01."""
