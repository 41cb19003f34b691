"""What people label next, and why: strategies over what models say of the images that wait."""
