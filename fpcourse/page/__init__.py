"""How figures reach the page: views, figures with controls, their two lives. Knows no model and no trace."""
