#ifndef LIBRARY_SHARED_H
#define LIBRARY_SHARED_H

long shared_work(long value);
long shared_outer(long value);
long shared_hidden_caller(long value);
long plugin_work(long value);

#endif
