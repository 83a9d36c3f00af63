package ledger

import (
	"encoding/hex"
	"slices"
	"strconv"
)

// AppendJSON appends the transaction as clients see it: id, sender, receiver,
// amount, t (always with a fraction or an exponent), prev_hash, and public_key
// and signature when keyed. prev is nil for null.
func (tx *Transaction) AppendJSON(dst []byte, prev *Link) []byte {
	dst = appendUUID(append(dst, `{"id":"`...), tx.ID)
	dst = appendUUID(append(dst, `","sender":"`...), tx.Sender)
	dst = appendUUID(append(dst, `","receiver":"`...), tx.Receiver)
	dst = strconv.AppendUint(append(dst, `","amount":`...), tx.Amount, 10)
	dst = appendFloat(append(dst, `,"t":`...), tx.T)
	if prev == nil {
		dst = append(dst, `,"prev_hash":null`...)
	} else {
		dst = appendHex(append(dst, `,"prev_hash":`...), prev[:])
	}
	if tx.Auth != nil {
		dst = appendHex(append(dst, `,"public_key":`...), tx.Auth.PublicKey[:])
		dst = appendHex(append(dst, `,"signature":`...), tx.Auth.Signature[:])
	}
	return append(dst, '}')
}

// AppendJSON appends the block as clients see it: items, prev_hash (null at
// height 0), then hash, version, height, time, bits, nonce, builder, root,
// signature. ParseBlocks reads it back.
func (b *Block) AppendJSON(dst []byte) []byte {
	const perItem = 256 // about what an open one takes
	dst = append(slices.Grow(dst, (len(b.Txs)+4)*perItem), `{"items":[`...)
	links := Links(b.Txs)
	for i, tx := range b.Txs {
		if i == 0 {
			dst = tx.AppendJSON(dst, nil)
			continue
		}
		dst = tx.AppendJSON(append(dst, ','), &links[i-1])
	}
	dst = append(dst, `],`...)
	return append(b.appendKeys(dst), '}')
}

// AppendJSON appends the header as clients see it: the block's JSON with
// "count", the number of its transactions, in place of items.
func (h *SealedHeader) AppendJSON(dst []byte) []byte {
	dst = strconv.AppendUint(append(dst, `{"count":`...), uint64(h.Count), 10)
	return append(h.appendKeys(append(dst, ',')), '}')
}

// appendKeys appends the keys that a block and its header share.
func (h *SealedHeader) appendKeys(dst []byte) []byte {
	if h.Height == 0 {
		dst = append(dst, `"prev_hash":null`...)
	} else {
		dst = appendHex(append(dst, `"prev_hash":`...), h.Parent[:])
	}
	hash := h.Hash()
	dst = appendHex(append(dst, `,"hash":`...), hash[:])
	dst = strconv.AppendUint(append(dst, `,"version":`...), uint64(h.Version), 10)
	dst = strconv.AppendUint(append(dst, `,"height":`...), h.Height, 10)
	dst = strconv.AppendUint(append(dst, `,"time":`...), h.Time, 10)
	dst = strconv.AppendUint(append(dst, `,"bits":`...), uint64(h.Bits), 10)
	dst = appendHex(append(dst, `,"nonce":`...), h.Nonce[:])
	dst = appendHex(append(dst, `,"builder":`...), h.Builder[:])
	dst = appendHex(append(dst, `,"root":`...), h.Root[:])
	return appendHex(append(dst, `,"signature":`...), h.Signature[:])
}

// appendHex appends b as a JSON string of lower-case hex digits.
func appendHex(dst, b []byte) []byte {
	dst = hex.AppendEncode(append(dst, '"'), b)
	return append(dst, '"')
}
