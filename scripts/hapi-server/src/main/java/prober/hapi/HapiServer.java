package prober.hapi;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Map;
import org.springframework.boot.Banner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.web.servlet.context.ServletWebServerApplicationContext;

/**
 * Starts a plain HAPI FHIR R4 JPA server on loopback, for the tests that need a real server.
 *
 * <p>Arguments: the port (0 lets the system choose), the file that is to receive the port once it listens,
 * and optionally the id of a process with whose end the server ends too.
 */
public final class HapiServer {
    /** The property under which the configuration finds the port. */
    static final String PORT = "prober.port";

    private HapiServer() {}

    public static void main(String[] args) throws IOException {
        if (args.length < 2 || args.length > 3) {
            System.err.println("Usage: HapiServer PORT PORT_FILE [OWNER_PID].");
            System.exit(2);
        }
        if (args.length == 3) {
            endWith(Long.parseLong(args[2]));
        }
        SpringApplication application = new SpringApplication(FhirConfig.class, DatabaseConfig.class);
        application.setBannerMode(Banner.Mode.OFF);
        // HAPI's own beans refer to each other in circles, which Spring Boot forbids unless told otherwise.
        application.setAllowCircularReferences(true);
        application.setDefaultProperties(Map.of(PORT, args[0]));
        ServletWebServerApplicationContext context = (ServletWebServerApplicationContext) application.run();
        announce(context.getWebServer().getPort(), Path.of(args[1]).toAbsolutePath());
    }

    /** An owner that was killed cannot stop the server any more. */
    private static void endWith(long owner) {
        ProcessHandle.of(owner)
                .ifPresentOrElse(process -> process.onExit().thenRun(() -> System.exit(0)), () -> System.exit(0));
    }

    /** Writes beside the file first and renames, so that nobody ever reads half a port. */
    private static void announce(int port, Path file) throws IOException {
        Path draft = file.resolveSibling(file.getFileName() + ".draft");
        Files.writeString(draft, Integer.toString(port));
        Files.move(draft, file, StandardCopyOption.ATOMIC_MOVE);
    }
}
