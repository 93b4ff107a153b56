/* Asks the C library that it is linked with for a name's addresses, sorted; for an address' name with -x. */
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

static int reverse(const char *text) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    char name[256];
    inet_pton(AF_INET, text, &address.sin_addr);
    int code = getnameinfo((void *)&address, sizeof address, name, sizeof name, NULL, 0, NI_NAMEREQD);
    puts(code ? gai_strerror(code) : name);
    return code != 0;
}

int main(int count, char **words) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
    if (count == 3 && !strcmp(words[1], "-x"))
        return reverse(words[2]);
    int code = getaddrinfo(words[1], NULL, &hints, &found);
    if (code) {
        puts(gai_strerror(code));
        return 1;
    }
    for (; found; found = found->ai_next) {
        char text[INET6_ADDRSTRLEN];
        const void *address = found->ai_family == AF_INET
            ? (void *)&((struct sockaddr_in *)found->ai_addr)->sin_addr
            : (void *)&((struct sockaddr_in6 *)found->ai_addr)->sin6_addr;
        puts(inet_ntop(found->ai_family, address, text, sizeof text));
    }
    return 0;
}
