// Package names keeps the file in which a person names accounts. The names are for this
// person on this machine alone. No node and no transaction has them.
//
// The file has a line NAME KEY for each. KEY is an account's UUID, or a public key of
// 64 hex digits, which names its account and the blocks that it built. Empty lines and
// those that begin with # are ignored.
//
//	# the office
//	ada   56475aa7-5463-874c-8285-df5dbf2bcab7
//	desk  03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8
//
// No name can be mistaken for an account or a word of the commands, so a payment never goes
// elsewhere. A name begins with a letter and goes on with letters, digits, ".", "-" and
// "_". It has at most 32 characters, is in Unicode's form NFC, and is neither a word of the
// commands ("issuer", "all") nor anything that could be read as the first digits of an
// account or hash. Two names never differ in case alone, and neither a name nor an account
// is there twice. A file that breaks a rule is refused as a whole, with the number of the
// line, since a name that is not known for certain must not be used. The file has at most 1 MiB.
package names
