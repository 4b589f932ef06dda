"""The sweep: its records, its events, the state they fold to, the decisions and the loop that performs them."""
