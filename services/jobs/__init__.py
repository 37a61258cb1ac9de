"""Heavy evaluations beside the stream: challengers of each day close, from inputs frozen there."""
