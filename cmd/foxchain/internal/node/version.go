package node

// ProgramVersion is what nodes tell each other and people.
const ProgramVersion = "0.1.0"
