"""What the course looks into models with. Knows torch, models and tables; draws nothing and prints nothing."""
