import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.errors.SerializationException;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;

/**
 * The three features of loadtest/kafka_hopping.yaml, by Kafka Streams, exactly once:
 *
 *     java Features BROKERS TOPIC STATE_DIRECTORY
 *
 * What is left to choose is chosen in its favour: records are keyed by the entity, so nothing is partitioned anew;
 * no lateness is allowed for, so a window is let go as soon as it can be; nothing is sent to a topic of results.
 * Everything else is as it comes: RocksDB stores with changelogs, record caches, a commit each 100 ms.
 *
 * At SIGTERM it stops reading, prints "counted CARD EVENTS", the events of that card's latest session, and ends.
 */
public final class Features {
    private static final String SESSIONS = "sessions";
    private static final String COUNTED_CARD = "000000000000";
    private static final long PAUSE_MS = 1000; // by then it has committed what it had read

    /** What is taken of an event. */
    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Payment {
        public long ts;
        public double amount;
    }

    /** A sum and how many it is of: an average that can be added to. */
    private record Sum(double total, long count) {
        Sum plus(double amount) {
            return new Sum(total + amount, count + 1);
        }
    }

    private static final ObjectReader PAYMENTS = new ObjectMapper().readerFor(Payment.class);

    private static Payment readPayment(String topic, byte[] json) {
        try {
            return PAYMENTS.readValue(json);
        } catch (IOException error) {
            throw new SerializationException(error);
        }
    }

    private static Serde<Payment> payments() {
        return Serdes.serdeFrom((topic, payment) -> { throw new UnsupportedOperationException(); },
                Features::readPayment);
    }

    private static Serde<Sum> sums() {
        return Serdes.serdeFrom(
                (topic, sum) -> sum == null ? null
                        : ByteBuffer.allocate(16).putDouble(sum.total()).putLong(sum.count()).array(),
                (topic, bytes) -> {
                    if (bytes == null) {
                        return null;
                    }
                    ByteBuffer buffer = ByteBuffer.wrap(bytes);
                    return new Sum(buffer.getDouble(), buffer.getLong());
                });
    }

    private static StreamsBuilder topology(String topic) {
        StreamsBuilder builder = new StreamsBuilder();
        KGroupedStream<String, Payment> ofCard = builder
                .stream(topic, Consumed.with(Serdes.String(), payments())
                        .withTimestampExtractor((record, previous) -> ((Payment) record.value()).ts))
                .groupByKey(Grouped.with(Serdes.String(), payments()));
        ofCard.windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMinutes(5)).advanceBy(Duration.ofMinutes(1)))
                .count(Materialized.as("counts"));
        ofCard.windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofHours(1)).advanceBy(Duration.ofMinutes(5)))
                .aggregate(() -> new Sum(0, 0), (card, payment, sum) -> sum.plus(payment.amount),
                        Materialized.with(Serdes.String(), sums()));
        ofCard.windowedBy(SessionWindows.ofInactivityGapWithNoGrace(Duration.ofMinutes(30)))
                .count(Materialized.as(SESSIONS));
        return builder;
    }

    private static Properties properties(String brokers, String topic, String folder) {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, topic + ".features");
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        properties.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        properties.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1); // there is one broker
        properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        return properties;
    }

    private static long eventsOfLatestSession(KafkaStreams streams) {
        long events = 0;
        try (KeyValueIterator<Windowed<String>, Long> sessions = streams
                .store(StoreQueryParameters.fromNameAndType(SESSIONS, QueryableStoreTypes.<String, Long>sessionStore()))
                .fetch(COUNTED_CARD)) {
            while (sessions.hasNext()) {
                events = sessions.next().value;
            }
        }
        return events;
    }

    private static void end(KafkaStreams streams) {
        try {
            streams.pause();
            Thread.sleep(PAUSE_MS);
            System.out.println("counted " + COUNTED_CARD + " " + eventsOfLatestSession(streams));
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        } finally {
            streams.close();
        }
    }

    public static void main(String[] arguments) {
        if (arguments.length != 3) {
            System.err.println("usage: Features BROKERS TOPIC STATE_DIRECTORY");
            System.exit(2);
        }
        KafkaStreams streams = new KafkaStreams(topology(arguments[1]).build(),
                properties(arguments[0], arguments[1], arguments[2]));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(streams)));
        streams.start();
    }
}
