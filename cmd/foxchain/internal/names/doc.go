// Package names keeps the file in which a person names accounts. The names are for
// eyes and hands on this machine alone: no node and no transaction has them.
//
// The file has a line NAME KEY for each: KEY is an account's UUID, or a public key of
// 64 hex digits, which names its account and the blocks that it built. Empty lines and
// those that begin with # count for nothing.
//
//	# the office
//	ada   56475aa7-5463-874c-8285-df5dbf2bcab7
//	desk  03a107bff3ce10be1d70dd18e74bc09967e4d6309ba50d5f1ddc8664125531b8
//
// A name can never be taken for something else, so that it sends nothing elsewhere:
// it begins with a letter and goes on with letters, digits, ".", "-" and "_". It has at
// most 32 characters, is in Unicode's form NFC, and is neither a word of the commands
// ("issuer", "all") nor anything that could be read as the first digits of an account or
// hash. Two names never differ in case alone, and neither a name nor an account stands
// there twice. A file that breaks a rule is refused as a whole, with its line: a
// name that is not known for certain is not used. It has at most 1 MiB.
package names
