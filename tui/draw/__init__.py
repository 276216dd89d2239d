"""Pictures made of characters: pure, from numbers to lines of styled text."""
