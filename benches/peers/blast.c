/*
 * blast: a cheap generator of DNS queries by UDP over IPv4, for measuring on loopback.
 *
 * dnsperf costs more processor time per query than a fast server does, so that on two cores the
 * generator is what saturates. This one sends prebuilt packets with sendmmsg and takes the answers
 * with recvmmsg. Of an answer it checks the ID, the QR bit, the response code and whether there is
 * an answer record; no more, unless -x is given.
 *
 *   -p PORT     on 127.0.0.1              -d FILE   the queries: lines of "name TYPE"
 *   -l SECONDS  how long (5)              -n N      or: stop after N queries
 *   -c N        sockets (8)               -q N      queries in flight, over all sockets (128)
 *   -t MS       lost after (1000)         -a ADDR   socket i sends from ADDR + 1 + i % 253
 *   -Q RATE     open loop, queries a second; latency then counts from the moment at which each
 *               query was due, so that a stalled server is not flattered
 *   -r N        replace the digits behind the name's first letter by a random number below N
 *   -x N        count as mixed every answer that is not exactly N addresses of one /24
 *
 * Without -Q the loop is closed: N in flight, the next is sent when one is answered or lost.
 * The result is one JSON object on the standard output.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define SOCKETS_MAX 512
#define SLOTS_MAX 16384
#define QUERY_LEN_MAX 318
#define ANSWER_LEN_MAX 2048
#define SECOND 1000000000ull
#define PER_OCTAVE 64

struct query { uint16_t len; uint8_t bytes[QUERY_LEN_MAX]; };
struct slot { uint64_t due; uint16_t id; uint8_t busy; };
struct client { int fd; uint32_t slots_len, free_len, mask; struct slot *slots; uint16_t *free; uint16_t round; };

static int port = 53, clients_len = 8, in_flight = 128, pool_len;
static double seconds = 5, rate, lost_after_ms = 1000;
static uint64_t queries_max, random_below, chance = 88172645463325252ull;
static const char *file, *source;
static struct query *queries;
static size_t queries_len;
static struct client clients[SOCKETS_MAX];
static uint64_t sent, received, lost, late, malformed, mixed, positive, bytes_in, bytes_out, truncated;
static uint64_t rcodes[16], histogram[64 * PER_OCTAVE], latency_max;
static struct mmsghdr in[BATCH], out[BATCH];
static struct iovec in_parts[BATCH], out_parts[BATCH];
static uint8_t in_bytes[BATCH][ANSWER_LEN_MAX], out_bytes[BATCH][QUERY_LEN_MAX];

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

/* Latency goes into buckets of 1/64 of an octave. */
static int bucket_of(uint64_t ns)
{
	if (ns < PER_OCTAVE)
		return (int)ns;
	int octave = 63 - __builtin_clzll(ns) - 6;
	return (octave + 1) * PER_OCTAVE + (int)((ns >> octave) - PER_OCTAVE);
}

/* Of all that were asked: whoever is not answered waits the longest. */
static double percentile_us(double percent)
{
	uint64_t wanted = (uint64_t)(percent / 100 * (double)(received + lost) + .5), seen = 0;
	for (int i = 0; i < 64 * PER_OCTAVE && received; i++) {
		seen += histogram[i];
		if (seen < wanted || !seen)
			continue;
		int octave = i / PER_OCTAVE - 1;
		return i < PER_OCTAVE ? i / 1e3
			: (double)((uint64_t)(i % PER_OCTAVE + PER_OCTAVE) << octave) / 1e3;
	}
	return received + lost ? lost_after_ms * 1e3 : 0;
}

/* The number of a type, below 256; 0 when it is not known here. */
static uint16_t type_code(const char *type)
{
	static const struct { const char *name; uint16_t code; } types[] = {
		{ "A", 1 }, { "TXT", 16 }, { "AAAA", 28 }, { "SRV", 33 }, { "SVCB", 64 }, { "HTTPS", 65 },
	};
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (!strcmp(type, types[i].name))
			return types[i].code;
	return 0;
}

/* Writes a query with an OPT record; 0 when it is none. */
static int write_query(struct query *query, const char *name, const char *type)
{
	static const uint8_t opt[11] = { 0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0 };
	uint16_t code = type_code(type);
	uint8_t *at = query->bytes + 12;
	if (!code || strlen(name) > 253)
		return 0;
	memset(query->bytes, 0, 12);
	query->bytes[5] = query->bytes[11] = 1;
	while (*name) {
		size_t len = strcspn(name, ".");
		if (!len || len > 63)
			return 0;
		*at++ = (uint8_t)len;
		memcpy(at, name, len);
		at += len;
		name += len + (name[len] == '.');
	}
	memcpy(at, (uint8_t[]){ 0, 0, (uint8_t)code, 0, 1 }, 5);
	memcpy(at + 5, opt, sizeof opt);
	query->len = (uint16_t)(at + 5 + sizeof opt - query->bytes);
	return 1;
}

static void load_queries(void)
{
	char name[512], type[16];
	size_t room = 0;
	FILE *f = fopen(file, "r");
	if (!f)
		fail(file);
	while (fscanf(f, "%511s %15s", name, type) == 2) {
		if (queries_len == room && !(queries = realloc(queries, (room = room * 2 + 1024) * sizeof *queries)))
			fail("memory");
		if (!write_query(&queries[queries_len++], name, type)) {
			fprintf(stderr, "blast: not a query: %s %s\n", name, type);
			exit(2);
		}
	}
	fclose(f);
	if (!queries_len)
		exit(2);
}

static void patch_name(uint8_t *query)
{
	chance ^= chance << 13; chance ^= chance >> 7; chance ^= chance << 17;
	uint64_t number = chance % random_below;
	for (int i = query[12]; i > 1; i--, number /= 10)
		query[12 + i] = (uint8_t)('0' + number % 10);
}

static void open_client(struct client *client, int index)
{
	int buffer_len = 4 << 20;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) }, from = { .sin_family = AF_INET };
	client->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	setsockopt(client->fd, SOL_SOCKET, SO_RCVBUF, &buffer_len, sizeof buffer_len);
	setsockopt(client->fd, SOL_SOCKET, SO_SNDBUF, &buffer_len, sizeof buffer_len);
	if (source) {
		from.sin_addr.s_addr = htonl(ntohl(inet_addr(source)) + 1 + (uint32_t)(index % 253));
		if (bind(client->fd, (struct sockaddr *)&from, sizeof from))
			fail("bind");
	}
	if (connect(client->fd, (struct sockaddr *)&to, sizeof to))
		fail("connect");
	client->slots_len = (uint32_t)((in_flight + clients_len - 1) / clients_len);
	if (client->slots_len > SLOTS_MAX)
		client->slots_len = SLOTS_MAX;
	for (client->mask = 1; client->mask < client->slots_len; client->mask <<= 1) ;
	client->mask--;
	client->slots = calloc(client->slots_len, sizeof *client->slots);
	client->free = calloc(client->slots_len, sizeof *client->free);
	for (uint32_t i = 0; i < client->slots_len; i++)
		client->free[client->free_len++] = (uint16_t)(client->slots_len - 1 - i);
}

static size_t skip_name(const uint8_t *message, size_t len, size_t at)
{
	while (at < len && message[at] && message[at] < 0xc0)
		at += message[at] + 1u;
	return at + (at < len && message[at] ? 2 : 1);
}

/* Whether the answer is exactly `pool_len` A records of one /24; other records may follow. */
static int is_whole(const uint8_t *message, size_t len)
{
	const uint8_t *first = NULL;
	size_t at = 12;
	if ((message[6] << 8 | message[7]) != pool_len)
		return 0;
	at = skip_name(message, len, at) + 4;
	for (int i = 0; i < pool_len; i++, at += 14) {
		at = skip_name(message, len, at);
		if (at + 14 > len || message[at + 1] != 1 || message[at + 9] != 4)
			return 0;
		if (first && memcmp(first, message + at + 10, 3))
			return 0;
		first = message + at + 10;
	}
	return 1;
}

static void take_answer(struct client *client, const uint8_t *message, size_t len, uint64_t at)
{
	if (len < 12 || !(message[2] & 0x80)) {
		malformed++;
		return;
	}
	uint16_t id = (uint16_t)(message[0] << 8 | message[1]);
	uint32_t index = id & client->mask;
	struct slot *slot = &client->slots[index < client->slots_len ? index : 0];
	if (index >= client->slots_len || !slot->busy || slot->id != id) {
		late++;
		return;
	}
	slot->busy = 0;
	client->free[client->free_len++] = (uint16_t)index;
	uint64_t latency = at > slot->due ? at - slot->due : 0;
	histogram[bucket_of(latency)]++;
	if (latency > latency_max)
		latency_max = latency;
	received++;
	bytes_in += len;
	rcodes[message[3] & 15]++;
	truncated += message[2] >> 1 & 1;
	if (message[6] || message[7]) {
		positive++;
		mixed += pool_len && !is_whole(message, len);
	}
}

static int take_answers(struct client *client)
{
	int count = recvmmsg(client->fd, in, BATCH, MSG_DONTWAIT, NULL);
	if (count <= 0)
		return 0;
	uint64_t at = now();
	for (int i = 0; i < count; i++)
		take_answer(client, in_bytes[i], in[i].msg_len, at);
	return count;
}

/* Sends up to `count` queries; `issued` is how many were sent before, `start` when it began. */
static int send_queries(struct client *client, int count, uint64_t issued, uint64_t start)
{
	static size_t next;
	uint64_t at = now();
	for (int i = 0; i < count; i++) {
		const struct query *query = &queries[next++ % queries_len];
		uint16_t index = client->free[client->free_len - 1 - (uint32_t)i];
		uint16_t id = (uint16_t)(client->round * (client->mask + 1) + index);
		memcpy(out_bytes[i], query->bytes, query->len);
		out_bytes[i][0] = (uint8_t)(id >> 8);
		out_bytes[i][1] = (uint8_t)id;
		if (random_below)
			patch_name(out_bytes[i]);
		out_parts[i].iov_len = query->len;
		client->slots[index].id = id;
		client->slots[index].due = rate > 0
			? start + (uint64_t)((double)(issued + (uint64_t)i) * 1e9 / rate) : at;
	}
	int accepted = sendmmsg(client->fd, out, (unsigned)count, 0);
	for (int i = 0; i < accepted; i++) {
		client->slots[client->free[--client->free_len]].busy = 1;
		bytes_out += out_parts[i].iov_len;
	}
	client->round++;
	return accepted > 0 ? accepted : 0;
}

static void give_up_lost(uint64_t at)
{
	for (int k = 0; k < clients_len; k++)
		for (uint32_t i = 0; i < clients[k].slots_len; i++) {
			struct slot *slot = &clients[k].slots[i];
			if (!slot->busy || at < slot->due + (uint64_t)(lost_after_ms * 1e6))
				continue;
			slot->busy = 0;
			clients[k].free[clients[k].free_len++] = (uint16_t)i;
			lost++;
		}
}

static int take_all(int *waiting)
{
	int count = 0;
	*waiting = 0;
	for (int k = 0; k < clients_len; k++) {
		if (clients[k].free_len < clients[k].slots_len)
			count += take_answers(&clients[k]);
		*waiting += (int)(clients[k].slots_len - clients[k].free_len);
	}
	return count;
}

static void pause_until_due(struct pollfd *polls, uint64_t start)
{
	struct timespec patience = { 0, 1000000 };
	if (rate > 0) {
		double ns = (double)sent * 1e9 / rate - (double)(now() - start);
		if (ns < 1000)
			return;
		patience.tv_nsec = ns > 1e6 ? 1000000 : (long)ns;
	}
	ppoll(polls, (nfds_t)clients_len, &patience, NULL);
}

/* The load. Returns how long it took, in ns; answers may still be on their way. */
static uint64_t load(struct pollfd *polls)
{
	uint64_t start = now(), at = start, scanned = start, end = start + (uint64_t)(seconds * 1e9);
	int current = 0, waiting;
	while ((at = now()) < end && !(queries_max && sent >= queries_max)) {
		uint64_t due = ~0ull;
		int done = 0;
		if (rate > 0) {
			uint64_t so_far = (uint64_t)((double)(at - start) * rate / 1e9) + 1;
			due = so_far > sent ? so_far - sent : 0;
		}
		if (queries_max && due > queries_max - sent)
			due = queries_max - sent;
		/* What is due is spread over the sockets, as by separate clients. */
		uint64_t share = rate > 0 ? (due + (uint64_t)clients_len - 1) / (uint64_t)clients_len : BATCH;
		for (int k = 0; k < clients_len && due; k++) {
			struct client *client = &clients[current++ % clients_len];
			uint64_t count = client->free_len < BATCH ? client->free_len : BATCH;
			count = count > share ? share : count;
			count = count > due ? due : count;
			if (!count)
				continue;
			int accepted = send_queries(client, (int)count, sent, start);
			sent += (uint64_t)accepted;
			due -= (uint64_t)accepted;
			done += accepted + take_answers(client);
		}
		done += take_all(&waiting);
		if (at - scanned > SECOND / 50)
			give_up_lost(scanned = at);
		if (!done)
			pause_until_due(polls, start);
	}
	return now() - start;
}

static void read_options(int argc, char **argv)
{
	int option;
	while ((option = getopt(argc, argv, "p:d:l:n:c:q:t:a:Q:r:x:")) != -1)
		switch (option) {
		case 'p': port = atoi(optarg); break;
		case 'd': file = optarg; break;
		case 'l': seconds = atof(optarg); break;
		case 'n': queries_max = strtoull(optarg, NULL, 10); break;
		case 'c': clients_len = atoi(optarg); break;
		case 'q': in_flight = atoi(optarg); break;
		case 't': lost_after_ms = atof(optarg); break;
		case 'a': source = optarg; break;
		case 'Q': rate = atof(optarg); break;
		case 'r': random_below = strtoull(optarg, NULL, 10); break;
		case 'x': pool_len = atoi(optarg); break;
		default: exit(2);
		}
	if (!file || clients_len < 1 || clients_len > SOCKETS_MAX || in_flight < clients_len) {
		fprintf(stderr, "usage: blast -p PORT -d FILE [options]; see the head of blast.c\n");
		exit(2);
	}
}

int main(int argc, char **argv)
{
	static struct pollfd polls[SOCKETS_MAX];
	read_options(argc, argv);
	load_queries();
	for (int i = 0; i < clients_len; i++) {
		open_client(&clients[i], i);
		polls[i] = (struct pollfd){ clients[i].fd, POLLIN, 0 };
	}
	for (int i = 0; i < BATCH; i++) {
		in_parts[i] = (struct iovec){ in_bytes[i], ANSWER_LEN_MAX };
		out_parts[i] = (struct iovec){ out_bytes[i], 0 };
		in[i].msg_hdr = (struct msghdr){ .msg_iov = &in_parts[i], .msg_iovlen = 1 };
		out[i].msg_hdr = (struct msghdr){ .msg_iov = &out_parts[i], .msg_iovlen = 1 };
	}
	double elapsed = (double)load(polls) / 1e9;
	uint64_t received_in_time = received, patience_end = now() + (uint64_t)(lost_after_ms * 1e6);
	int waiting = 1;
	/* The last answers may come in, so that they are not called lost. */
	while (waiting && now() < patience_end)
		if (!take_all(&waiting) && waiting)
			ppoll(polls, (nfds_t)clients_len, &(struct timespec){ 0, 5000000 }, NULL);
	lost += (uint64_t)waiting;
	printf("{\"seconds\":%.4f,\"sent\":%llu,\"answered\":%llu,\"rate\":%.1f,\"lost\":%llu,\"late\":%llu,"
		"\"malformed\":%llu,\"mixed\":%llu,\"truncated\":%llu,\"positive\":%llu,\"good\":%llu,"
		"\"p50_us\":%.2f,\"p99_us\":%.2f,\"max_us\":%.2f,\"bytes_out\":%llu,\"bytes_in\":%llu}\n",
		elapsed, (unsigned long long)sent, (unsigned long long)received, (double)received_in_time / elapsed,
		(unsigned long long)lost, (unsigned long long)late, (unsigned long long)malformed,
		(unsigned long long)mixed, (unsigned long long)truncated, (unsigned long long)positive,
		(unsigned long long)(rcodes[0] + rcodes[3]), percentile_us(50), percentile_us(99),
		(double)latency_max / 1e3, (unsigned long long)bytes_out, (unsigned long long)bytes_in);
	return 0;
}
