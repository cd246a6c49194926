# cython: language_level=3, freethreading_compatible=True
"""The listener that is compiled: whole text frames go from picows's buffer to the engine by one C call.

All else is that of `ringtape.feeds.listener`: what is rare, and what happens at the end of a read.
"""

from libc.stdint cimport int64_t
from picows.picows cimport WSFrame, WSListener, WSMsgType, WSTransport

cdef extern from *:
    """
    #include <stdint.h>
    int64_t rt_feed(PyObject *engine, const char *frame, Py_ssize_t size, int venue, int64_t recv_ns, int conn);
    """
    int64_t rt_feed(object engine, const char *frame, Py_ssize_t size, int venue, int64_t recv_ns, int conn) except -1
    const char *RT_PICOWS

# The picows whose structs this was compiled against.
picows_version = RT_PICOWS.decode()


cdef class CompiledListener(WSListener):
    """The callbacks of one socket; see `ringtape.feeds.listener.Listener`, which does the same."""

    cdef object engine, receiver, time_ns
    cdef int venue, conn
    cdef bint is_plain
    cdef int64_t recv_ns
    cdef Py_ssize_t frames, events, flush_events

    def __init__(self, engine, int venue, int conn, receiver, time_ns, Py_ssize_t flush_events):
        self.engine = engine
        self.receiver = receiver
        self.venue = venue
        self.conn = conn
        self.time_ns = time_ns
        self.flush_events = flush_events
        self.is_plain = True
        self.recv_ns = 0
        self.frames = 0
        self.events = 0

    cpdef on_ws_connected(self, WSTransport transport):
        self.receiver.opened(transport)

    cpdef on_ws_frame(self, WSTransport transport, WSFrame frame):
        cdef int64_t events
        cdef bint is_whole = frame.msg_type == WSMsgType.TEXT and frame.fin and not (frame.rsv1 | frame.rsv2 | frame.rsv3)
        if self.recv_ns == 0:
            self.recv_ns = self.time_ns()
        if is_whole and self.is_plain:
            events = rt_feed(self.engine, frame.payload_ptr, frame.payload_size, self.venue, self.recv_ns, self.conn)
            self.frames += 1
            self.events += events
            if events == 0:
                self.receiver.check_eventless(transport, frame)
                self.is_plain = self.receiver.is_plain
        else:
            fed = self.receiver.rare(transport, frame, self.recv_ns)
            self.is_plain = self.receiver.is_plain
            if fed is not None:
                self.frames += 1
                self.events += fed
        if frame.last_in_buffer:
            self._end_read()
        elif self.events >= self.flush_events:
            self._flush()

    cpdef on_ws_disconnected(self, WSTransport transport):
        self._end_read()
        self.receiver.ended()

    cdef _end_read(self):
        cdef Py_ssize_t frames = self.frames, events = self.events
        cdef int64_t recv_ns = self.recv_ns
        self.recv_ns = 0
        self.frames = self.events = 0
        self.receiver.end_read(recv_ns, frames, events)

    cdef _flush(self):
        cdef Py_ssize_t frames = self.frames, events = self.events
        self.frames = self.events = 0
        self.receiver.flush(self.recv_ns, frames, events)
