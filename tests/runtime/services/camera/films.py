"""Films and a camera of the network, made by the tests."""

import io
import socket
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

RED, GREEN, BLUE, BLACK = (250, 20, 10), (10, 250, 20), (20, 10, 250), (5, 5, 5)
SIZE = (64, 48)


def plain(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0], 3), colour, np.uint8)


def write_film(path: Path, pictures: Iterable[np.ndarray], rate: float = 1, codec: str = "mp4v") -> Path:
    """Write RGB pictures as a film of ``rate`` frames a second."""
    cv2: Any = pytest.importorskip("cv2")
    writer = None
    for picture in pictures:
        if writer is None:
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), rate, picture.shape[1::-1])
            assert writer.isOpened()
        writer.write(np.ascontiguousarray(picture[:, :, ::-1]))
    assert writer is not None
    writer.release()
    return path


class NetworkCamera:
    """Serves MJPEG over HTTP on 127.0.0.1, always at the same port, while it is switched on."""

    def __init__(self) -> None:
        self.refused = 0
        """Requests without user and password."""
        self.picture = plain(RED)
        self.pausing = threading.Event()
        self._off = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self.port = 0

    def switch_on(self) -> int:
        """Start, and return the port."""
        self._off = threading.Event()
        listener = socket.create_server(("127.0.0.1", self.port))
        self.port = listener.getsockname()[1]
        self._open = [listener]
        self._threads = [threading.Thread(target=self._listen, args=(listener, self._off), daemon=True)]
        self._threads[0].start()
        return self.port

    def switch_off(self) -> None:
        """Close all connections and the port."""
        self._off.set()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(30)

    def _listen(self, listener: socket.socket, off: threading.Event) -> None:
        while not off.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection, off), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, off: threading.Event) -> None:
        with suppress(OSError):
            if b"Authorization: Basic" not in connection.recv(65536):
                self.refused += 1
                connection.sendall(b'HTTP/1.0 401 Unauthorized\r\nWWW-Authenticate: Basic realm="garden"\r\n\r\n')
                connection.shutdown(socket.SHUT_RDWR)
                return
            connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
            while not off.wait(0.01):
                if self.pausing.is_set():
                    continue
                content = io.BytesIO()
                Image.fromarray(self.picture).save(content, "JPEG")
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {content.tell()}\r\n\r\n"
                connection.sendall(head.encode() + content.getvalue() + b"\r\n")
