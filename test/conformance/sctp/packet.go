// Package sctp stands in for github.com/ishidawataru/sctp where the kernel has no SCTP: as much of it as agnhost needs, over raw
// sockets (RFC 9260). A sender waits for the answer to each chunk before it sends the next one.
package sctp

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	chunkData             = 0
	chunkInit             = 1
	chunkInitAck          = 2
	chunkSack             = 3
	chunkAbort            = 6
	chunkShutdown         = 7
	chunkShutdownAck      = 8
	chunkCookieEcho       = 10
	chunkCookieAck        = 11
	chunkShutdownComplete = 14

	wholeMessage = 3 // flags of DATA: first and last fragment
	cookie       = 7 // parameter of INIT ACK
	window       = 1 << 16
)

var (
	order      = binary.BigEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

type chunk struct {
	kind, flags byte
	value       []byte
}

type packet struct {
	from, to uint16 // ports
	tag      uint32
	chunks   []chunk
}

func padded(length int) int { return (length + 3) &^ 3 }

func (p packet) bytes() []byte {
	out := order.AppendUint16(nil, p.from)
	out = order.AppendUint16(out, p.to)
	out = order.AppendUint32(out, p.tag)
	out = order.AppendUint32(out, 0)
	for _, c := range p.chunks {
		out = append(out, c.kind, c.flags)
		out = order.AppendUint16(out, uint16(4+len(c.value)))
		out = append(out, c.value...)
		out = append(out, make([]byte, padded(len(out))-len(out))...)
	}
	binary.LittleEndian.PutUint32(out[8:], crc32.Checksum(out, castagnoli))
	return out
}

func parse(data []byte) (packet, bool) {
	if len(data) < 12 {
		return packet{}, false
	}
	sum := binary.LittleEndian.Uint32(data[8:])
	plain := append([]byte(nil), data...)
	copy(plain[8:12], make([]byte, 4))
	if crc32.Checksum(plain, castagnoli) != sum {
		return packet{}, false
	}
	out := packet{from: order.Uint16(data), to: order.Uint16(data[2:]), tag: order.Uint32(data[4:])}
	for rest := plain[12:]; len(rest) >= 4; {
		length := int(order.Uint16(rest[2:]))
		if length < 4 || length > len(rest) {
			return packet{}, false
		}
		out.chunks = append(out.chunks, chunk{rest[0], rest[1], rest[4:length]})
		rest = rest[min(padded(length), len(rest)):]
	}
	return out, true
}

// initValue is the value of INIT and INIT ACK.
func initValue(tag, tsn uint32) []byte {
	out := order.AppendUint32(nil, tag)
	out = order.AppendUint32(out, window)
	out = order.AppendUint32(out, 1<<16|1) // a stream each way
	return order.AppendUint32(out, tsn)
}

func sackValue(tsn uint32) []byte {
	out := order.AppendUint32(nil, tsn)
	out = order.AppendUint32(out, window)
	return order.AppendUint32(out, 0)
}

func dataValue(tsn uint32, message uint16, payload []byte) []byte {
	out := order.AppendUint32(nil, tsn)
	out = order.AppendUint16(out, 0)
	out = order.AppendUint16(out, message)
	out = order.AppendUint32(out, 0)
	return append(out, payload...)
}

// cookieOf is the cookie in the value of an INIT ACK.
func cookieOf(value []byte) ([]byte, bool) {
	for rest := value[16:]; len(rest) >= 4; {
		length := int(order.Uint16(rest[2:]))
		if length < 4 || length > len(rest) {
			return nil, false
		}
		if order.Uint16(rest) == cookie {
			return rest[4:length], true
		}
		rest = rest[min(padded(length), len(rest)):]
	}
	return nil, false
}
