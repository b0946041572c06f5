/* Threads: a mutex that many want, a condition, thread-local data, a result, an exit in between. */
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter, turn;
static __thread long own;

static void *count(void *number)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        own++;
    }
    return (void *)(own + (long)number);
}

static void *in_turn(void *number)
{
    pthread_mutex_lock(&lock);
    while (turn != (long)number)
        pthread_cond_wait(&changed, &lock);
    printf("turn of %ld\n", turn);
    turn++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return 0;
}

static void *for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_t threads[THREADS];
    long results = 0;
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], 0, count, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        results += (long)result;
    }
    printf("counter %ld, results %ld, own %ld\n", counter, results, own);
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], 0, in_turn, (void *)(THREADS - 1 - i));
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], 0);
    pthread_create(&threads[0], 0, for_ever, 0);
    puts("the end");
    return 3;
}
