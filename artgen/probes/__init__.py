"""Read-only analyses of pictures and guides. One file each."""
