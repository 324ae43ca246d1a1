"""What all runs share that can be killed and go on: where they are kept, what they depend on."""
