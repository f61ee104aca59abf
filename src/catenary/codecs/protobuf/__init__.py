"""Protobuf: a message's descriptor and columns to one program, run on every batch.

FileDescriptorSet ──messages.py──► Message ──program.py──► fields (protobuf.h) ──► columns
"""
