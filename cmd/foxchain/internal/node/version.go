package node

// ProgramVersion is what nodes send each other and show to people.
const ProgramVersion = "0.1.0"
