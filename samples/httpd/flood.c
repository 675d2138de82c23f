// SPDX-License-Identifier: GPL-2.0
/*
 * A hostile client, in user space: a thousand connections to httpd on this machine,
 * each with half of the content that it announces. Tells how many were refused with
 * 503, and holds the others for some seconds.
 */

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CONNECTIONS	1000
#define HALF		20000

int main(void)
{
	static char request[HALF] =
		"POST /flood HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n";
	static const struct rlimit files = { 2 * CONNECTIONS, 2 * CONNECTIONS };
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(8080),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int i, n, opened = 0, refused = 0, fds[CONNECTIONS];
	char reply[100];

	setrlimit(RLIMIT_NOFILE, &files);
	memset(request + strlen(request), 'x', HALF - strlen(request));
	for (i = 0; i < CONNECTIONS; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fds[i], (struct sockaddr *)&address, sizeof(address)))
			break;
		opened++;
		send(fds[i], request, HALF, MSG_NOSIGNAL | MSG_DONTWAIT);
	}
	sleep(1);
	for (i = 0; i < opened; i++) {
		n = recv(fds[i], reply, sizeof(reply) - 1, MSG_DONTWAIT);
		reply[n < 0 ? 0 : n] = '\0';
		refused += !!strstr(reply, " 503 ");
	}
	printf("flood: %d connections, %d refused, %d held\n", opened, refused,
	       opened - refused);
	fflush(stdout);
	sleep(5);
	return 0;
}
