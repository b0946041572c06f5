/* What threads wait for each other with: mutexes of every kind, conditions, barriers, locks for
   readers and writers, semaphores, once; among threads, and among processes that share a page. */
#include "check.h"
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { THREADS = 8, ROUNDS = 1000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;

static void *run_threads(void *(*work)(void *))
{
    pthread_t threads[THREADS];
    long sum = 0;
    for (long i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], 0, work, (void *)i))
            return (void *)-1;
    for (int i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        sum += (long)result;
    }
    return (void *)sum;
}

static struct timespec soon(long ms)
{
    struct timespec at;
    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_nsec += ms * 1000000;
    at.tv_sec += at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

/* Two at a time hand a turn to each other; the waits that are woken in vain must not count. */
static int turn;

static void *other_side(void *unused)
{
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        while (turn != 1)
            pthread_cond_wait(&changed, &lock);
        turn = 0;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return unused;
}

static void conditions(void)
{
    pthread_t thread;
    pthread_create(&thread, 0, other_side, 0);
    for (int i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        while (turn != 0)
            pthread_cond_wait(&changed, &lock);
        turn = 1;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    CHECK(pthread_join(thread, 0) == 0 && turn == 0);
    struct timespec at = soon(20);
    pthread_mutex_lock(&lock);
    CHECK(pthread_cond_timedwait(&changed, &lock, &at) == ETIMEDOUT);
    pthread_mutex_unlock(&lock);
}

/* A queue of few places between four that put in and four that take out. */
enum { PLACES = 3 };
static long queue[PLACES], first, filled;
static pthread_cond_t room = PTHREAD_COND_INITIALIZER, goods = PTHREAD_COND_INITIALIZER;

static void *trade(void *number)
{
    long taken = 0;
    for (int i = 1; i <= ROUNDS; i++) {
        pthread_mutex_lock(&lock);
        if ((long)number % 2) {
            while (filled == PLACES)
                pthread_cond_wait(&room, &lock);
            queue[(first + filled++) % PLACES] = i;
            pthread_cond_signal(&goods);
        } else {
            while (filled == 0)
                pthread_cond_wait(&goods, &lock);
            taken += queue[first];
            first = (first + 1) % PLACES;
            filled--;
            pthread_cond_signal(&room);
        }
        pthread_mutex_unlock(&lock);
    }
    return (void *)taken;
}

static void bounded_queue(void)
{
    CHECK((long)run_threads(trade) == THREADS / 2L * ROUNDS * (ROUNDS + 1) / 2);
    CHECK(filled == 0);
}

static pthread_barrier_t barrier;
static int arrived[ROUNDS];

static void *arrive(void *unused)
{
    long last = 0, wrong = 0;
    (void)unused;
    for (int i = 0; i < ROUNDS / 4; i++) {
        __atomic_fetch_add(&arrived[i], 1, __ATOMIC_RELAXED);
        last += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
        wrong += __atomic_load_n(&arrived[i], __ATOMIC_RELAXED) != THREADS;
    }
    return (void *)(last + wrong * 100000);
}

static void barriers(void)
{
    pthread_barrier_init(&barrier, 0, THREADS);
    /* In each round all have arrived, and one is told that it is the last. */
    CHECK((long)run_threads(arrive) == ROUNDS / 4);
    CHECK(pthread_barrier_destroy(&barrier) == 0);
}

static pthread_rwlock_t shared = PTHREAD_RWLOCK_INITIALIZER;
static volatile long left, right;

static void *read_or_write(void *number)
{
    long wrong = 0;
    for (int i = 0; i < ROUNDS; i++)
        if ((i + (long)number) % 8 == 0) {
            pthread_rwlock_wrlock(&shared);
            left++;
            if (i % 64 == 0)
                sched_yield();
            right++;
            pthread_rwlock_unlock(&shared);
        } else {
            pthread_rwlock_rdlock(&shared);
            wrong += left != right;
            pthread_rwlock_unlock(&shared);
        }
    return (void *)wrong;
}

static void readers_and_writers(void)
{
    CHECK(run_threads(read_or_write) == 0);
    CHECK(left == ROUNDS && right == ROUNDS);
    CHECK(pthread_rwlock_rdlock(&shared) == 0 && pthread_rwlock_tryrdlock(&shared) == 0);
    CHECK(pthread_rwlock_trywrlock(&shared) == EBUSY);
    struct timespec at = soon(10);
    pthread_rwlock_unlock(&shared);
    pthread_rwlock_unlock(&shared);
    CHECK(pthread_rwlock_wrlock(&shared) == 0);
    CHECK(pthread_rwlock_timedrdlock(&shared, &at) == EDEADLK);
}

static void *held(void *mutex)
{
    struct timespec at = soon(10);
    if (pthread_mutex_trylock(mutex) != EBUSY)
        return "taken";
    return pthread_mutex_timedlock(mutex, &at) == ETIMEDOUT ? 0 : "not in time";
}

static void kinds_of_mutexes(void)
{
    static const struct {
        int kind, again;
    } kinds[] = {
        {PTHREAD_MUTEX_RECURSIVE, 0},
        {PTHREAD_MUTEX_ERRORCHECK, EDEADLK},
    };
    for (int i = 0; i < 2; i++) {
        pthread_mutexattr_t kind;
        pthread_mutex_t mutex;
        pthread_t thread;
        void *result;
        pthread_mutexattr_init(&kind);
        pthread_mutexattr_settype(&kind, kinds[i].kind);
        pthread_mutex_init(&mutex, &kind);
        CHECK(pthread_mutex_lock(&mutex) == 0);
        CHECK(pthread_mutex_lock(&mutex) == kinds[i].again);
        pthread_create(&thread, 0, held, &mutex);
        pthread_join(thread, &result);
        CHECK(result == 0);
        CHECK(pthread_mutex_unlock(&mutex) == 0);
        CHECK(pthread_mutex_unlock(&mutex) == (kinds[i].again ? EPERM : 0));
        CHECK(pthread_mutex_unlock(&mutex) == EPERM);
    }
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int initialised;

static void initialise(void)
{
    sleep_ms(5);
    initialised++;
}

static void *use(void *unused)
{
    (void)unused;
    pthread_once(&once, initialise);
    return (void *)(long)initialised;
}

static void only_once(void)
{
    CHECK((long)run_threads(use) == THREADS && initialised == 1);
}

/* A page for several processes. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    sem_t semaphore;
    long count;
} *common;

static void *end_with_it(void *unused)
{
    pthread_mutex_lock(&common->mutex);
    return unused;
}

static void robust(void)
{
    pthread_mutexattr_t kind;
    pthread_t thread;
    common = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&common->mutex, &kind);
    pthread_create(&thread, 0, end_with_it, 0);
    pthread_join(thread, 0);
    CHECK(pthread_mutex_lock(&common->mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_consistent(&common->mutex) == 0);
    CHECK(pthread_mutex_unlock(&common->mutex) == 0);
    /* A process that ends while others wait. */
    sem_init(&common->semaphore, 1, 0);
    pid_t child = fork();
    if (child == 0) {
        pthread_mutex_lock(&common->mutex);
        sem_post(&common->semaphore);
        sleep_ms(20);
        _exit(0);
    }
    CHECK(sem_wait(&common->semaphore) == 0);
    CHECK(pthread_mutex_lock(&common->mutex) == EOWNERDEAD);
    CHECK(pthread_mutex_unlock(&common->mutex) == 0);
    CHECK(pthread_mutex_lock(&common->mutex) == ENOTRECOVERABLE);
    CHECK(ending(child) == 0);
}

static void among_processes(void)
{
    pthread_mutexattr_t kind;
    pthread_condattr_t cond_kind;
    common = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&kind);
    pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&common->mutex, &kind);
    pthread_condattr_init(&cond_kind);
    pthread_condattr_setpshared(&cond_kind, PTHREAD_PROCESS_SHARED);
    pthread_cond_init(&common->cond, &cond_kind);
    sem_init(&common->semaphore, 1, 2);
    pid_t children[4];
    for (int i = 0; i < 4; i++)
        if ((children[i] = fork()) == 0) {
            for (int round = 0; round < 300; round++) {
                sem_wait(&common->semaphore);
                pthread_mutex_lock(&common->mutex);
                common->count++;
                pthread_cond_signal(&common->cond);
                pthread_mutex_unlock(&common->mutex);
                sem_post(&common->semaphore);
            }
            _exit(0);
        }
    pthread_mutex_lock(&common->mutex);
    while (common->count < 4 * 300)
        pthread_cond_wait(&common->cond, &common->mutex);
    pthread_mutex_unlock(&common->mutex);
    for (int i = 0; i < 4; i++)
        CHECK(ending(children[i]) == 0);
    int value;
    CHECK(sem_getvalue(&common->semaphore, &value) == 0 && value == 2);
}

int main(void)
{
    static const struct test tests[] = {
        {"conditions", conditions},
        {"bounded queue", bounded_queue},
        {"barriers", barriers},
        {"readers and writers", readers_and_writers},
        {"kinds of mutexes", kinds_of_mutexes},
        {"only once", only_once},
        {"robust", robust},
        {"among processes", among_processes},
    };
    return run_all(tests, sizeof tests / sizeof *tests);
}
