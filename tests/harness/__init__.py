"""What the suites that serve inside the test process share: a Server in a thread,
a client of raw bytes, small applications. Holds no test."""
