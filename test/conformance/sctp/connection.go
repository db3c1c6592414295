package sctp

import (
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	patience = time.Second
	tries    = 8
)

// SCTPConn is an association.
type SCTPConn struct {
	endpoint        *endpoint
	peer            *net.IPAddr
	key             netip.AddrPort
	ownTag, peerTag uint32
	ownTSN, peerTSN uint32 // of the last message that was sent, and that came
	messages        chan []byte
	ready, ended    chan struct{}

	mutex    sync.Mutex
	requests []chunk // the first one has been sent, and is not answered yet
	sent     int     // how often
	timer    *time.Timer
	count    uint16 // of messages
	begun    bool   // ready is closed
	finished bool   // ended is closed
	why      error
	deadline time.Time // of Read
}

// DialSCTP sends from a port by chance, as its own address is always chosen by the kernel.
func DialSCTP(_ string, _, to *SCTPAddr) (*SCTPConn, error) {
	network := "ip6"
	if to.IPAddrs[0].IP.To4() != nil {
		network = "ip4"
	}
	e, err := open(network, uint16(32768+rand.IntN(28232)), nil)
	if err != nil {
		return nil, err
	}
	address, _ := netip.AddrFromSlice(to.IPAddrs[0].IP)
	e.mutex.Lock()
	conn := e.associate(&to.IPAddrs[0], netip.AddrPortFrom(address.Unmap(), uint16(to.Port)))
	e.mutex.Unlock()
	conn.request(chunk{kind: chunkInit, value: initValue(conn.ownTag, conn.ownTSN+1)})
	select {
	case <-conn.ready:
		return conn, nil
	case <-conn.ended:
		e.forget(conn)
		return nil, conn.why
	}
}

func (c *SCTPConn) Write(payload []byte) (int, error) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.finished && c.why == io.EOF {
		return len(payload), nil // some servers say all they have to say before they are asked, and go
	}
	if c.finished {
		return 0, syscall.EPIPE
	}
	c.ownTSN++
	c.count++
	c.requestLocked(chunk{kind: chunkData, flags: wholeMessage, value: dataValue(c.ownTSN, c.count-1, payload)})
	return len(payload), nil
}

// Read takes one message. What came before the end counts.
func (c *SCTPConn) Read(buffer []byte) (int, error) {
	c.mutex.Lock()
	var late <-chan time.Time
	if !c.deadline.IsZero() {
		late = time.After(time.Until(c.deadline))
	}
	c.mutex.Unlock()
	select {
	case message := <-c.messages:
		return copy(buffer, message), nil
	default:
	}
	select {
	case message := <-c.messages:
		return copy(buffer, message), nil
	case <-c.ended:
		return 0, c.why
	case <-late:
		return 0, os.ErrDeadlineExceeded
	}
}

func (c *SCTPConn) SetReadDeadline(deadline time.Time) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.deadline = deadline
	return nil
}

// Close waits until the peer has all that was written.
func (c *SCTPConn) Close() error {
	c.mutex.Lock()
	if !c.finished {
		c.requestLocked(chunk{kind: chunkShutdown, value: order.AppendUint32(nil, c.peerTSN)})
	}
	c.mutex.Unlock()
	<-c.ended
	c.endpoint.forget(c)
	return nil
}

func (c *SCTPConn) SCTPRemoteAddr(int32) (*SCTPAddr, error) {
	return &SCTPAddr{IPAddrs: []net.IPAddr{*c.peer}, Port: int(c.key.Port())}, nil
}

func (c *SCTPConn) send(chunks ...chunk) {
	tag := c.peerTag
	if chunks[0].kind == chunkInit {
		tag = 0
	}
	p := packet{from: c.endpoint.port, to: c.key.Port(), tag: tag, chunks: chunks}
	_, _ = c.endpoint.socket.WriteToIP(p.bytes(), c.peer) // what is lost is sent again
}

func (c *SCTPConn) request(what chunk) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.requestLocked(what)
}

func (c *SCTPConn) requestLocked(what chunk) {
	c.requests = append(c.requests, what)
	if len(c.requests) == 1 {
		c.sent = 0
		c.sendFirst()
	}
}

func (c *SCTPConn) sendFirst() {
	c.sent++
	c.send(c.requests[0])
	c.timer = time.AfterFunc(patience, c.late)
}

func (c *SCTPConn) late() {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if len(c.requests) == 0 || c.finished {
		return
	}
	if c.sent == tries {
		c.end(syscall.ETIMEDOUT)
		return
	}
	c.sendFirst()
}

// answered: the answer to a kind of chunk has come. Whether it was asked for.
func (c *SCTPConn) answered(kind byte) bool {
	if len(c.requests) == 0 || c.requests[0].kind != kind {
		return false
	}
	c.timer.Stop()
	c.requests = c.requests[1:]
	c.sent = 0
	if len(c.requests) > 0 {
		c.sendFirst()
	}
	return true
}

func (c *SCTPConn) begin() bool {
	if c.begun {
		return false
	}
	c.begun = true
	close(c.ready)
	return true
}

func (c *SCTPConn) end(why error) {
	if c.finished {
		return
	}
	c.finished, c.why = true, why
	if c.timer != nil {
		c.timer.Stop()
	}
	close(c.ended)
}

func (c *SCTPConn) receive(what chunk) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	value := what.value
	switch what.kind {
	case chunkInit:
		c.peerTag, c.peerTSN = order.Uint32(value), order.Uint32(value[12:])-1
		// The state is here already, and the cookie only has to come back.
		parameter := append(order.AppendUint16(order.AppendUint16(nil, cookie), 8), "weft"...)
		c.send(chunk{kind: chunkInitAck, value: append(initValue(c.ownTag, c.ownTSN+1), parameter...)})
	case chunkInitAck:
		if len(value) < 16 {
			return
		}
		if baked, good := cookieOf(value); good && c.answered(chunkInit) {
			c.peerTag, c.peerTSN = order.Uint32(value), order.Uint32(value[12:])-1
			c.requestLocked(chunk{kind: chunkCookieEcho, value: baked})
		}
	case chunkCookieEcho:
		c.send(chunk{kind: chunkCookieAck})
		if c.begin() && c.endpoint.accepted != nil {
			c.endpoint.accepted <- c
		}
	case chunkCookieAck:
		if c.answered(chunkCookieEcho) {
			c.begin()
		}
	case chunkData:
		c.take(value)
	case chunkSack:
		if len(value) >= 4 && order.Uint32(value) == c.ownTSN-uint32(c.unsent()) {
			c.answered(chunkData)
		}
	case chunkShutdown:
		c.send(chunk{kind: chunkShutdownAck})
		c.end(io.EOF)
	case chunkShutdownAck:
		c.send(chunk{kind: chunkShutdownComplete})
		if c.answered(chunkShutdown) {
			c.end(io.EOF)
		}
	case chunkAbort:
		c.end(syscall.ECONNREFUSED)
	}
}

// unsent is how many messages wait behind the one that was sent.
func (c *SCTPConn) unsent() int {
	count := -1
	for _, request := range c.requests {
		if request.kind == chunkData {
			count++
		}
	}
	return max(count, 0)
}

func (c *SCTPConn) take(value []byte) {
	if len(value) < 12 {
		return
	}
	if order.Uint32(value) == c.peerTSN+1 {
		select {
		case c.messages <- append([]byte(nil), value[12:]...):
			c.peerTSN++
		default: // the reader is late; it comes again
		}
	}
	c.send(chunk{kind: chunkSack, value: sackValue(c.peerTSN)})
}
