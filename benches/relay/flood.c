/* flood BYTES KIND: writes that many bytes of 100-byte lines to standard output, as fast as it can, 64 KiB at once.
 * KIND: plain | escaped (a quarter of each line needs a backslash in JSON) | object (each line is a JSON object). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE = 100, LINES = 655 };

int main(int argc, char **argv) {
    static char block[LINE * LINES];
    if (argc != 3) {
        fprintf(stderr, "usage: flood BYTES KIND\n");
        return 2;
    }
    long left = atol(argv[1]) / LINE;
    for (int line = 0; line < LINES; line++) {
        char *at = block + line * LINE;
        if (!strcmp(argv[2], "object")) {
            memset(at, 'x', LINE);
            memcpy(at, "{\"level\":\"info\",\"msg\":\"", 23);
            memcpy(at + LINE - 3, "\"}", 2);
        } else {
            for (int i = 0; i < LINE - 1; i++)
                at[i] = !strcmp(argv[2], "escaped") && i % 4 == 0 ? '"' : 'a' + (line + i) % 26;
        }
        at[LINE - 1] = '\n';
    }
    while (left > 0) {
        long lines = left < LINES ? left : LINES;
        size_t size = lines * LINE, done = 0;
        while (done < size) {
            ssize_t count = write(STDOUT_FILENO, block + done, size - done);
            if (count < 0) {
                perror("flood");
                return 1;
            }
            done += count;
        }
        left -= lines;
    }
    return 0;
}
