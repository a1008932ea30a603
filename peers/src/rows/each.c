/* Echoes each line after the number of microseconds of processor time given as argument. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

int main(int count, char **words) {
    long long nanoseconds = count > 1 ? atoll(words[1]) * 1000 : 0;
    char *line = NULL;
    size_t size = 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
    while (getline(&line, &size, stdin) > 0) {
        if (nanoseconds > 0) {
            long long end = now() + nanoseconds;
            while (now() < end) {
            }
        }
        fputs(line, stdout);
    }
    return 0;
}
