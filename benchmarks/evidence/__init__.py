"""How near the truth each registered method comes: simulation from laws whose value at risk and expected shortfall are known."""
