"""What data is read from: files, frames, tables and directories, as raw arrays."""
