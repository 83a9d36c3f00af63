package node

// ProgramVersion is the version that nodes report.
const ProgramVersion = "0.1.0"
