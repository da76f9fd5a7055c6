"""UnixFS: files and folders as blocks, with the CIDs of Kubo."""
