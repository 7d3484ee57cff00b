// A C program that knows nothing of xgrad: loads the plug-in of argv[1], and has it train, on two threads.
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

static double (*train)(int);

static int learns(void) {
  const double first = train(0), last = train(300);
  printf("the loss went from %g to %g\n", first, last);
  return first > 0 && last >= 0 && last < first / 10;
}

static void* learns_on_thread(void* result) {
  *(int*)result = learns();
  return NULL;
}

int main(int count, char** arguments) {
  void* plugin = count == 2 ? dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL) : NULL;
  if (!plugin) {
    fprintf(stderr, "not loaded: %s\n", count == 2 ? dlerror() : "give one plug-in");
    return 1;
  }
  *(void**)&train = dlsym(plugin, "train");
  int here = train && learns(), there = 0;
  pthread_t thread;
  if (here && pthread_create(&thread, NULL, learns_on_thread, &there) == 0) pthread_join(thread, NULL);
  return here && there && dlclose(plugin) == 0 ? 0 : 1;
}
