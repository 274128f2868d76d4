"""The only door to the network: permits, politeness, recording, replay, and the memo of what was seen."""
