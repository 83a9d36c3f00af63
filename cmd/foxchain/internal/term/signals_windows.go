package term

// WriteFromBackground does nothing. A console stops no program.
func WriteFromBackground() {}
