//! Overlay networks for clusters that have outgrown the full mesh.
