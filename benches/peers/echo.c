/*
 * echo: what UDP itself costs on this machine.
 *
 * Answers every datagram that looks like a DNS query with one A record, and an OPT record when the
 * query carried one. No lookup, and no validation beyond what memory safety needs: what an
 * authoritative server would cost if DNS were free. One thread, recvmmsg and sendmmsg, batches of
 * 64. IPv4 on loopback only.
 *
 *   echo PORT
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define QUERY_LEN_MAX 448
#define BUFFER_LEN 512

/* Turns the query into its answer, in place. Returns the answer's length, 0 to drop it. */
static size_t answer(uint8_t *message, size_t len)
{
	static const uint8_t records[27] = {
		0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1,
		0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
	size_t at = 12;
	if (len < 17 || (message[2] & 0x80) || message[4] || message[5] != 1)
		return 0;
	while (at < len && message[at])
		at += message[at] + 1u;
	at += 5;
	if (at > len)
		return 0;
	int edns = message[11] == 1;
	message[2] = 0x84 | (message[2] & 1);
	message[3] = 0;
	memset(message + 6, 0, 6);
	message[7] = 1;
	message[11] = (uint8_t)edns;
	size_t records_len = edns ? sizeof records : 16;
	memcpy(message + at, records, records_len);
	return at + records_len;
}

static int open_socket(int port)
{
	int buffer_len = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_len, sizeof buffer_len);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer_len, sizeof buffer_len);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address)) {
		perror("echo");
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	static uint8_t buffers[BATCH][BUFFER_LEN];
	static struct mmsghdr in[BATCH], out[BATCH];
	static struct iovec in_parts[BATCH], out_parts[BATCH];
	static struct sockaddr_in peers[BATCH];
	if (argc != 2)
		return 2;
	int fd = open_socket(atoi(argv[1]));
	for (int i = 0; i < BATCH; i++) {
		in_parts[i] = (struct iovec){ buffers[i], QUERY_LEN_MAX };
		in[i].msg_hdr = (struct msghdr){ .msg_iov = &in_parts[i], .msg_iovlen = 1,
			.msg_name = &peers[i], .msg_namelen = sizeof peers[i] };
		out[i].msg_hdr = (struct msghdr){ .msg_iov = &out_parts[i], .msg_iovlen = 1 };
	}
	for (;;) {
		int received = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL), answers = 0;
		for (int i = 0; i < received; i++) {
			size_t len = answer(buffers[i], in[i].msg_len);
			if (!len)
				continue;
			out_parts[answers] = (struct iovec){ buffers[i], len };
			out[answers].msg_hdr.msg_name = &peers[i];
			out[answers++].msg_hdr.msg_namelen = sizeof peers[i];
		}
		for (int sent = 0; sent < answers;) {
			int count = sendmmsg(fd, out + sent, (unsigned)(answers - sent), 0);
			sent += count > 0 ? count : 1;
		}
	}
}
