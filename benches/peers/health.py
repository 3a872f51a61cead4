"""A health-check target: answers HTTP 200 on every address given, and says when it does.

    health.py PORT ADDRESS...
"""
import selectors
import socket
import sys

REPLY = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"


def main():
    selector = selectors.DefaultSelector()
    for address in sys.argv[2:]:
        listener = socket.create_server((address, int(sys.argv[1])), backlog=4096)
        listener.setblocking(False)
        selector.register(listener, selectors.EVENT_READ, accept)
    print("listening", flush=True)
    while True:
        for key, _ in selector.select():
            key.data(selector, key.fileobj)


def accept(selector, listener):
    try:
        connection, _ = listener.accept()
    except OSError:
        return
    connection.setblocking(False)
    selector.register(connection, selectors.EVENT_READ, answer)


def answer(selector, connection):
    try:
        if connection.recv(4096):
            connection.send(REPLY)
    except BlockingIOError:
        return
    except OSError:
        pass
    selector.unregister(connection)
    connection.close()


if __name__ == "__main__":
    main()
