"""How often something may happen: takes keys and numbers, knows no rows."""
