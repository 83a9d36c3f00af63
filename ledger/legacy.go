package ledger

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"math"
	"strconv"

	"github.com/google/uuid"
)

// maxLegacyText bounds the text that a legacy hash is made of.
const maxLegacyText = 320

// LegacyHash is the SHA-1 of the text that Python prints for the transaction's
// dictionary, as the original computed it. prev is nil for None. Key and
// signature are not part of it, and it carries no trust: Digest does.
func LegacyHash(tx *Transaction, prev *Link) Link {
	var buf [maxLegacyText]byte
	return sha1.Sum(appendPython(buf[:0], tx, prev))
}

// Links returns the legacy hash of each transaction in a block, where the
// prev_hash of each is the link of the one before it and the first's is null.
func Links(txs []*Transaction) []Link {
	links := make([]Link, len(txs))
	var prev *Link
	for i, tx := range txs {
		links[i] = LegacyHash(tx, prev)
		prev = &links[i]
	}
	return links
}

func appendPython(dst []byte, tx *Transaction, prev *Link) []byte {
	dst = appendUUID(append(dst, "{'id': '"...), tx.ID)
	dst = appendUUID(append(dst, "', 'sender': '"...), tx.Sender)
	dst = appendUUID(append(dst, "', 'receiver': '"...), tx.Receiver)
	dst = strconv.AppendUint(append(dst, "', 'amount': "...), tx.Amount, 10)
	dst = AppendFloat(append(dst, ", 't': "...), tx.T)
	dst = append(dst, ", 'prev_hash': "...)
	if prev == nil {
		return append(dst, "None}"...)
	}
	dst = hex.AppendEncode(append(dst, '\''), prev[:])
	return append(dst, "'}"...)
}

// AppendFloat writes f as Python's repr does: the shortest digits that read
// back as f, ".0" on whole numbers, exponent form below 1e-4 and from 1e16 on.
// All of that is JSON too (RFC 8259 section 6).
func AppendFloat(dst []byte, f float64) []byte {
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if bytes.IndexByte(dst[from:], '.') < 0 {
		dst = append(dst, ".0"...)
	}
	return dst
}

// appendUUID writes id as 8-4-4-4-12 lower-case hex digits.
func appendUUID(dst []byte, id uuid.UUID) []byte {
	var text [36]byte
	hex.Encode(text[0:], id[:4])
	text[8] = '-'
	hex.Encode(text[9:], id[4:6])
	text[13] = '-'
	hex.Encode(text[14:], id[6:8])
	text[18] = '-'
	hex.Encode(text[19:], id[8:10])
	text[23] = '-'
	hex.Encode(text[24:], id[10:])
	return append(dst, text[:]...)
}
