"""The frozen classes that users see, and how their values are checked."""
