"""What runs inside the sandbox. Self-contained: the sandbox holds this folder, labkit and the environment, no more."""
